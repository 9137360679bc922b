//! One weight along its mean gradient (eq. 9), with momentum in its two forms.

pub fn update(w: &mut f64, m: &mut f64, alpha: f64, g: f64, momentum: f64, coast: bool) {
    if coast {
        *m = momentum * *m + alpha * g;
        *w += *m;
    } else {
        *m = momentum * *m + g;
        *w += alpha * *m;
    }
}
